"""The data stage: sources -> decoded arrays -> verified data set -> fixed split."""
