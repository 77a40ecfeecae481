"""ONNX graphs: run as candidates, checked for known mistakes before they run, and built to conform."""
