"""Training a prior of one's own: autoencoder, denoiser, few-step variant."""
