"""What the scores of criteria cost beside the training that they follow."""
