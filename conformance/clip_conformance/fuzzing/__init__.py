"""The search for images beyond the fixtures: drawn, judged, shrunk and saved so that one command repeats them."""
