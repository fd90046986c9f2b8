"""What tests of several folders use: projects to run, small data, plain training."""
