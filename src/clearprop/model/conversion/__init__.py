"""Models of other libraries: PyTorch, scikit-learn and safetensors in, PyTorch and ONNX out."""
