"""Image files to grey levels, and grey levels to the 28x28 pixels of MNIST."""
