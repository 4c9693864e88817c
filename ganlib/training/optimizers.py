"""The optimizers that a recipe may choose."""
import torch


def adam(config, params, lr, fused, recorded):
    """Adam (Kingma & Ba 2014, https://arxiv.org/abs/1412.6980)."""
    betas = config.beta1, config.beta2
    return torch.optim.Adam(params, lr, betas, weight_decay=config.weight_decay, fused=fused,
                            capturable=recorded)


def rmsprop(config, params, lr, fused, recorded):
    """RMSprop, as the WGAN's authors use it. It has no fused form."""
    return torch.optim.RMSprop(params, lr, weight_decay=config.weight_decay, capturable=recorded)


def sgd(config, params, lr, fused, recorded):
    """Stochastic gradient descent with momentum."""
    fused = fused and not config.grow  # the fused one takes no weights that join later
    return torch.optim.SGD(params, lr, config.momentum, weight_decay=config.weight_decay, fused=fused)


OPTIMIZERS = {"adam": adam, "rmsprop": rmsprop, "sgd": sgd}


def build_optimizer(config, module, lr):
    """The optimizer that a Config names, for the parameters of a module; fused where the device has that.

    On a GPU its learning rate is a tensor there, which a recorded step reads anew in each replay.
    """
    device = next(module.parameters()).device
    on_gpu = device.type == "cuda"
    lr = torch.tensor(lr, device=device) if on_gpu else lr
    fused = device.type in ("cpu", "cuda")
    return OPTIMIZERS[config.optimizer](config, module.parameters(), lr, fused, on_gpu)


def set_rate(optimizer, lr):
    """Give an optimizer a learning rate; a tensor keeps its place in memory."""
    group = optimizer.param_groups[0]
    if torch.is_tensor(group["lr"]):
        group["lr"].fill_(lr)
    else:
        group["lr"] = lr
