"""The study: its file, how it is checked, cut into jobs and priced, its tables."""
