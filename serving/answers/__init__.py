"""What reps answer to scores: kept for good, in effect on the next list, facts for training."""
