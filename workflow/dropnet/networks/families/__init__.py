"""The models: a file each, whose name is the model's and whose `layers` lists its layers."""
