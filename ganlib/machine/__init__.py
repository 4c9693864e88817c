"""What a long computation needs of the machine that it runs on: no GAN in it."""
