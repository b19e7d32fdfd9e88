"""The learned prior: a latent diffusion model in diffusers' Stable Diffusion format."""
