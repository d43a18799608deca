"""Train LeNet on the embedded digits with a compiled step: python examples/train_compiled.py"""

import lenetc
import lenetc.nn.functional as F
from lenetc import optim
from lenetc.data import batches, load_mnist, prepare
from lenetc.lenet import LeNet

lenetc.manual_seed(0)
net = LeNet()
optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)


@lenetc.compile
def step(images, labels):
    """Forward, loss, backward and update: one program, and one run of it for each call."""
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    optimizer.step()
    return loss


@lenetc.compile
def recognized(images, labels):
    return (net(images).argmax(1) == labels).sum()


digits = load_mnist()
images, test_images = prepare(digits.train_images), prepare(digits.test_images)
for epoch in range(3):
    for batch in batches(images, digits.train_labels, 64, seed=0, epoch=epoch):
        loss = step(*batch)
    right = recognized(test_images, digits.test_labels).item()
    print(
        f"epoch {epoch + 1}: loss {loss.item():.3f}, {right / len(test_images):.2%} of held-out digits right"
    )
