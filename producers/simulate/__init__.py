"""A made-up country of bettors: events like those of organizers, good ones and chosen bad ones (box: producers)."""
