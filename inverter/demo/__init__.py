"""A page in the browser: photos or features in, what travels and what comes back out."""
