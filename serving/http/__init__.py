"""Score and explain single leads over HTTP, through the same builder as the nightly batch."""
