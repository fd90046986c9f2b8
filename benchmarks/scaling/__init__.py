"""Scale on paper: what the whole protocol costs on 1 to 1,000 cores, worked out and not run."""
