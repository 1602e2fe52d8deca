"""Training, measuring and exporting moodring's two networks."""
