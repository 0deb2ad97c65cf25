"""A made-up country of bettors: events like those of real organizers, good ones and chosen bad ones (box: producers)."""
