"""What is made of a report's lines, and of them alone."""
