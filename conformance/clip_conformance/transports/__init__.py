"""How a candidate is reached: a conversation with a process, one process an image, or a folder of outputs."""
