"""How the project studies itself: experiments, speed, priors, the judge. Nothing outside imports it."""
