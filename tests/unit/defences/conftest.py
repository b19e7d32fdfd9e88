from defences_toys import defend_config, dev_pictures, pictures, toy_network

__all__ = ["defend_config", "dev_pictures", "pictures", "toy_network"]
