"""The optimizers that a recipe may choose."""
import torch


def adam(config, params, lr, fused):
    """Adam (Kingma & Ba 2014, https://arxiv.org/abs/1412.6980)."""
    betas = config.beta1, config.beta2
    return torch.optim.Adam(params, lr, betas, weight_decay=config.weight_decay, fused=fused)


def rmsprop(config, params, lr, fused):
    """RMSprop, as the WGAN's authors use it. It has no fused form."""
    return torch.optim.RMSprop(params, lr, weight_decay=config.weight_decay)


def sgd(config, params, lr, fused):
    """Stochastic gradient descent with momentum."""
    return torch.optim.SGD(params, lr, config.momentum, weight_decay=config.weight_decay, fused=fused)


OPTIMIZERS = {"adam": adam, "rmsprop": rmsprop, "sgd": sgd}


def build_optimizer(config, module, lr):
    """The optimizer that a Config names, for the parameters of a module; fused where the device has that."""
    device = next(module.parameters()).device
    return OPTIMIZERS[config.optimizer](config, module.parameters(), lr, device.type in ("cpu", "cuda"))
