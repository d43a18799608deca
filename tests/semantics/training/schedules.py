"""Schedules of rates that a function steps: before, between and after updates; read, edited, replaced, at their end."""

from __future__ import annotations

from tests.semantics.another import parameter
from tests.semantics.case import case


def trained(torch, compile, made, updates=1, first=False, momentum=0.0, after=lambda schedule: None):
    """A parameter, its optimizer, its schedule, and a compiled step that makes `updates` and steps the schedule."""
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.SGD([p], lr=0.1, momentum=momentum)
    schedule = made(torch.optim.lr_scheduler, optimizer)

    @compile
    def step(x):
        if first:
            schedule.step()
        for _ in range(updates):
            optimizer.zero_grad()
            (p * p * x).sum().backward()
            optimizer.step()
            if not first:
                schedule.step()
        return p.detach() * 1.0, after(schedule)

    return p, optimizer, schedule, step


def seen(optimizer, schedule):
    return schedule.get_last_lr(), schedule.last_epoch, optimizer.param_groups[0]["lr"]


@case
def schedule_stepped_between_two_updates(torch, compile):
    _, optimizer, schedule, step = trained(torch, compile, lambda s, o: s.ExponentialLR(o, 0.9), updates=2)
    return [(step(torch.ones(2)), seen(optimizer, schedule)) for _ in range(5)]


@case
def schedule_stepped_between_two_updates_of_the_same_rate(torch, compile):
    _, optimizer, schedule, step = trained(torch, compile, lambda s, o: s.StepLR(o, 3, 0.5), updates=2)
    return [(step(torch.ones(2)), seen(optimizer, schedule)) for _ in range(5)]


@case
def schedule_stepped_before_the_update(torch, compile):
    p, optimizer, schedule, step = trained(torch, compile, lambda s, o: s.LinearLR(o), first=True)
    optimizer.zero_grad()
    (p * 2.0).sum().backward()
    optimizer.step()
    return [(step(torch.ones(2)), seen(optimizer, schedule)) for _ in range(5)]


@case
def rate_of_a_schedule_read_inside(torch, compile):
    _, optimizer, schedule, step = trained(
        torch, compile, lambda s, o: s.ExponentialLR(o, 0.9), after=lambda schedule: schedule.get_last_lr()[0]
    )
    return [(step(torch.ones(2)), seen(optimizer, schedule)) for _ in range(4)]


@case
def epoch_of_a_schedule_read_inside(torch, compile):
    _, optimizer, schedule, step = trained(
        torch, compile, lambda s, o: s.StepLR(o, 2), after=lambda schedule: schedule.last_epoch
    )
    return [(step(torch.ones(2)), seen(optimizer, schedule)) for _ in range(4)]


@case
def rate_edited_between_calls_of_a_step_with_a_schedule(torch, compile):
    _, optimizer, schedule, step = trained(torch, compile, lambda s, o: s.CosineAnnealingLR(o, 9))
    made = []
    for n in range(6):
        made.append((step(torch.ones(2)), seen(optimizer, schedule)))
        if n == 2:
            optimizer.param_groups[0]["lr"] = 0.03
        if n == 4:
            schedule.step()
    return made


@case
def schedule_loaded_between_calls(torch, compile):
    _, optimizer, schedule, step = trained(torch, compile, lambda s, o: s.StepLR(o, 2, 0.5))
    saved, made = schedule.state_dict(), []
    for n in range(6):
        made.append((step(torch.ones(2)), seen(optimizer, schedule)))
        if n == 2:
            schedule.load_state_dict(saved)
    return made


@case
def option_of_a_schedule_changed_between_calls(torch, compile):
    _, optimizer, schedule, step = trained(torch, compile, lambda s, o: s.ExponentialLR(o, 0.9))
    made = []
    for n in range(4):
        made.append((step(torch.ones(2)), seen(optimizer, schedule)))
        schedule.gamma = 0.5 if n == 1 else schedule.gamma
    return made


@case
def schedule_of_a_function_that_reads_a_variable(torch, compile):
    k = [1.0]
    _, optimizer, schedule, step = trained(
        torch, compile, lambda s, o: s.LambdaLR(o, lambda n: k[0] / (n + 1))
    )
    made = []
    for n in range(5):
        made.append((step(torch.ones(2)), seen(optimizer, schedule)))
        k[0] = 3.0 if n == 2 else k[0]
    return made


@case
def schedule_of_a_function_that_counts(torch, compile):
    calls = []
    _, optimizer, schedule, step = trained(
        torch, compile, lambda s, o: s.LambdaLR(o, lambda n: (calls.append(n), 1.0 / (n + 1))[1])
    )
    made = [(step(torch.ones(2)), seen(optimizer, schedule)) for _ in range(4)]
    return made, calls


@case
def cycle_stepped_past_its_end(torch, compile):
    _, optimizer, schedule, step = trained(
        torch, compile, lambda s, o: s.OneCycleLR(o, 0.1, total_steps=4), momentum=0.9
    )
    made = []
    for _ in range(7):
        try:
            made.append(
                (step(torch.ones(2)), seen(optimizer, schedule), optimizer.param_groups[0]["momentum"])
            )
        except ValueError:
            made.append("past the end")
    return made


@case
def schedules_in_turn_and_together(torch, compile):
    _, optimizer, schedule, step = trained(
        torch,
        compile,
        lambda s, o: s.SequentialLR(
            o, [s.LinearLR(o, 0.2, 1.0, 3), s.CosineAnnealingWarmRestarts(o, 2)], [3]
        ),
    )
    made = [(step(torch.ones(2)), seen(optimizer, schedule)) for _ in range(8)]
    _, _, both, step = trained(
        torch, compile, lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.5, 2), s.ExponentialLR(o, 0.9)])
    )
    return made, [(step(torch.ones(2)), both.get_last_lr()) for _ in range(4)]


@case
def two_optimizers_with_schedules(torch, compile):
    p, q = parameter(torch, 1, 2), parameter(torch, 3, 4)
    first, second = torch.optim.SGD([p], lr=0.1), torch.optim.SGD([q], lr=0.2)
    slow = torch.optim.lr_scheduler.ExponentialLR(first, 0.9)
    steps = torch.optim.lr_scheduler.StepLR(second, 2, 0.5)

    @compile
    def step(x):
        for optimizer, schedule, moved in ((first, slow, p), (second, steps, q)):
            optimizer.zero_grad()
            (moved * moved * x).sum().backward()
            optimizer.step()
            schedule.step()
        return p.detach() + q.detach()

    return [(step(torch.ones(2)), seen(first, slow), seen(second, steps)) for _ in range(5)]


@case
def schedule_in_a_call_that_raises(torch, compile):
    p = parameter(torch, 1, 2)
    optimizer = torch.optim.SGD([p], lr=0.1)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    @compile
    def step(x, labels):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(p * x, labels)
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss.detach()

    made = []
    for label in (0, 1, 7, 1):
        try:
            made.append(step(torch.ones(1, 2), torch.tensor([label])))
        except (IndexError, ValueError, RuntimeError):
            made.append("no such label")
        made.append(seen(optimizer, schedule))
    return made, p
