"""Tables in, checked; the cut in time; labels; splits; a synthetic world with known truth."""
