"""Whole programs as people write them: trainers, schedules, callbacks, replay, several heads, masks, inner loops"""

from __future__ import annotations

import collections
import dataclasses
import random

import numpy as np

from tests.semantics.another import linear, network
from tests.semantics.case import case


@dataclasses.dataclass
class Config:
    lr: float = 0.05
    clip: float = 1.0
    smoothing: float = 0.0
    decay: float = 0.9
    act: str = "tanh"


@case
def trainer_with_average_and_evaluation(torch, compile):
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.config, self.a, self.b = config, linear(torch, 2, 4), linear(torch, 4, 3)

        def forward(self, x):
            return self.b(getattr(torch, self.config.act)(self.a(x)))

    class Average:
        def __init__(self, net, decay):
            self.decay, self.kept = decay, {k: v.clone() for k, v in net.state_dict().items()}

        @torch.no_grad()
        def update(self, net):
            for k, v in net.state_dict().items():
                self.kept[k].mul_(self.decay).add_(v, alpha=1 - self.decay)

    class Trainer:
        def __init__(self, config):
            self.config, self.net, self.history, self.calls = config, Net(config), [], 0
            self.optimizer = torch.optim.Adam(self.net.parameters(), lr=config.lr)
            self.average = Average(self.net, config.decay)
            self.train_step, self.eval_step = compile(self._train_step), compile(self._eval_step)

        def _train_step(self, x, y):
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.net(x), y, label_smoothing=self.config.smoothing)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(self.net.parameters(), self.config.clip)
            self.optimizer.step()
            self.average.update(self.net)
            return loss.detach(), norm

        def _eval_step(self, x, y):
            with torch.no_grad():
                return (self.net(x).argmax(1) == y).float().mean()

        def fit(self, data, epochs):
            for _ in range(epochs):
                self.net.train()
                for x, y in data:
                    loss, norm = self.train_step(x, y)
                    self.calls += 1
                    self.history.append((self.calls, loss.item(), norm.item()))
                self.net.eval()
                self.history.append(sum(self.eval_step(x, y).item() for x, y in data) / len(data))
            return list(self.history)

    rng = np.random.RandomState(0)
    data = [
        (torch.tensor(rng.randn(4, 2).astype("float32")), torch.tensor(rng.randint(0, 3, 4)))
        for _ in range(2)
    ]
    trainer = Trainer(Config())
    made = [trainer.fit(data, 2)]
    trainer.config.smoothing, trainer.config.act = 0.1, "relu"
    made.append(trainer.fit(data, 1))
    trainer.config = dataclasses.replace(trainer.config, clip=0.01)
    return made, trainer.fit(data, 1), trainer.average.kept


@case
def values_of_actions_from_a_replay_buffer(torch, compile):
    net, target, buffer = network(torch), network(torch), collections.deque(maxlen=8)
    optimizer, discount, eps = torch.optim.RMSprop(net.parameters(), lr=0.01), 0.9, 1.0

    @compile
    def learn(states, rewards, later):
        with torch.no_grad():
            wanted = rewards + discount * target(later)
        loss = torch.nn.functional.smooth_l1_loss(net(states), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    @compile
    def valued(state):
        return net(state)

    made, state = [], [0.0, 1.0]
    for k in range(16):
        bold = random.random() < eps or float(valued(torch.tensor([state]))) > 0.7
        later = [round(v * 0.5 + bold, 2) for v in state]
        buffer.append((state, [float(bold)], later))
        state, eps = later, max(0.1, eps * 0.8)
        if len(buffer) >= 4:
            made.append(learn(*map(torch.tensor, zip(*random.sample(buffer, 4), strict=True))))
        if k % 5 == 4:
            target.load_state_dict(net.state_dict())
        if k == 12:
            discount = 0.5
    return made, [p.detach() for p in net.parameters()]


@case
def callbacks_that_come_and_go(torch, compile):
    class Callback:
        def before(self, trainer, x):
            return x

        def after(self, trainer, loss):
            pass

    class Noise(Callback):
        def __init__(self):
            self.rng, self.on = np.random.default_rng(0), True

        def before(self, trainer, x):
            return x + torch.tensor(self.rng.normal(size=(2, 2)).astype("float32")) if self.on else x

    class History(Callback):
        def __init__(self):
            self.losses = []

        def after(self, trainer, loss):
            self.losses.append(loss.detach())

    class Decay(Callback):
        def after(self, trainer, loss):
            for group in trainer.optimizer.param_groups:
                group["lr"] *= 0.5

    class Trainer:
        def __init__(self, callbacks):
            self.net, self.callbacks = network(torch), callbacks
            self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.2)

        @compile
        def step(self, x):
            for callback in self.callbacks:
                x = callback.before(self, x)
            self.optimizer.zero_grad()
            loss = self.net(x).pow(2).mean()
            loss.backward()
            self.optimizer.step()
            for callback in self.callbacks:
                callback.after(self, loss)
            return loss.detach()

    history, noise = History(), Noise()
    trainer, x = Trainer([]), torch.ones(2, 2)
    made = [trainer.step(x), trainer.step(x)]
    trainer.callbacks.append(history)
    made += [trainer.step(x), trainer.step(x)]
    trainer.callbacks.insert(0, noise)
    made += [trainer.step(x), trainer.step(x)]
    noise.on = False
    trainer.callbacks.append(Decay())
    made += [trainer.step(x), trainer.step(x)]
    return made, history.losses, trainer.optimizer.param_groups[0]["lr"], noise.rng.random()


@case
def heads_of_several_tasks(torch, compile):
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk, self.active = linear(torch, 2, 3), ["a", "b"]
            self.heads = nn.ModuleDict({"a": linear(torch, 3, 1), "b": linear(torch, 3, 1)})
            self.spread = nn.ParameterDict({k: nn.Parameter(torch.zeros(())) for k in "ab"})

        def forward(self, x):
            h = torch.tanh(self.trunk(x))
            return {k: self.heads[k](h) for k in self.active}

    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)

    @compile
    def step(x, wanted):
        optimizer.zero_grad()
        losses = {k: F.mse_loss(v, wanted[k]) for k, v in net(x).items()}
        sum(torch.exp(-net.spread[k]) * v + net.spread[k] for k, v in losses.items()).backward()
        optimizer.step()
        return {k: v.detach() for k, v in losses.items()}

    x, wanted = torch.ones(2, 2), {"a": torch.ones(2, 1), "b": torch.zeros(2, 1)}
    made = [step(x, wanted), step(x, wanted)]
    net.active.remove("b")
    made.append(step(x, wanted))
    net.heads["c"], net.spread["c"] = linear(torch, 3, 1, start=0.3), nn.Parameter(torch.ones(()))
    net.active.append("c")
    optimizer.add_param_group({"params": [*net.heads["c"].parameters(), net.spread["c"]], "lr": 0.5})
    wanted["c"] = torch.ones(2, 1) * 2.0
    made += [step(x, wanted), step(x, wanted)]
    return made, {k: v.detach() for k, v in net.spread.items()}


@case
def steps_within_a_step(torch, compile):
    F, net = torch.nn.functional, linear(torch, 2, 1)
    optimizer, rate, inner = torch.optim.Adam(net.parameters(), lr=0.01), 0.1, 2

    @compile
    def step(tasks):
        optimizer.zero_grad()
        total = 0.0
        for seen, wanted, asked, answer in tasks:
            w, b = net.weight, net.bias
            for _ in range(inner):
                loss = F.mse_loss(F.linear(seen, w, b), wanted)
                dw, db = torch.autograd.grad(loss, [w, b], create_graph=True)
                w, b = w - rate * dw, b - rate * db
            total = total + F.mse_loss(F.linear(asked, w, b), answer)
        total.backward()
        optimizer.step()
        return total.detach()

    tasks = [
        tuple(torch.ones(2, 2 - n % 2) * (k + 1 - n % 2) for n in range(4))
        for k in range(3)
    ]  # fmt: skip
    made = [step(tasks), step(tasks[:2]), step(tasks)]
    inner = 1
    made.append(step(tasks))
    rate = 0.5
    return made, step(tasks), net.weight.detach(), net.weight.grad


@case
def weights_pruned_by_masks(torch, compile):
    nn = torch.nn

    class Masked(nn.Module):
        def __init__(self, layer):
            super().__init__()
            self.layer = layer
            self.register_buffer("mask", torch.ones_like(layer.weight))

        def forward(self, x):
            return nn.functional.linear(x, self.layer.weight * self.mask, self.layer.bias)

    net = nn.Sequential(Masked(linear(torch, 2, 3)), nn.ReLU(), Masked(linear(torch, 3, 1)))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.5)

    @compile
    def step(x):
        optimizer.zero_grad()
        loss = net(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    x, made = torch.tensor([[1.0, 2.0], [-1.0, 0.5]]), []
    for bound in (0.0, 0.15, 0.25):
        made += [step(x), step(x)]
        with torch.no_grad():
            for part in (net[0], net[2]):
                part.mask.copy_(((part.layer.weight * part.mask).abs() > bound).float())
    for part in (net[0], net[2]):
        part.layer.weight.data *= part.mask
        part.mask = torch.ones_like(part.mask)
    return made, step(x), step(x), [p.detach() for p in net.parameters()]
