"""Who opens the pages: users and their roles, sign-in, sessions, what each has looked at."""
