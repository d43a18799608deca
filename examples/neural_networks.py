"""PyTorch's "Neural Networks" tutorial, call by call, with lenetc in torch's place.

Run it with `python examples/neural_networks.py`. Only the imports differ from what PyTorch takes.
"""

import lenetc as torch
import lenetc.nn as nn
import lenetc.nn.functional as F
import lenetc.optim as optim

# 1. Define the network.


class Net(nn.Module):
    """LeNet: two convolutions, each halved by max-pooling, then three affine layers."""

    def __init__(self):
        super(Net, self).__init__()  # noqa: UP008 (as the tutorial writes it)
        # Assigning a layer registers its weight and its bias.
        self.conv1 = nn.Conv2d(1, 6, 5)  # 1 channel in, 6 out, windows of 5x5
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)  # 16 channels of 5x5 pixels are left of a 32x32 image
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, input):
        # Only this is written: the gradients follow from it.
        c1 = F.relu(self.conv1(input))  # (N, 6, 28, 28)
        s2 = F.max_pool2d(c1, (2, 2))  # (N, 6, 14, 14)
        c3 = F.relu(self.conv2(s2))  # (N, 16, 10, 10)
        s4 = F.max_pool2d(c3, 2)  # (N, 16, 5, 5); one number stands for a square
        s4 = torch.flatten(s4, 1)  # (N, 400): all but the batch
        f5 = F.relu(self.fc1(s4))  # (N, 120)
        f6 = F.relu(self.fc2(f5))  # (N, 84)
        output = self.fc3(f6)  # (N, 10)
        return output


net = Net()
print(net)

# Five layers with a weight and a bias each.
params = list(net.parameters())
print(len(params))
print(params[0].size())  # the weight of conv1

# 2. Run it: one random image of the size that LeNet takes.

input = torch.randn(1, 1, 32, 32)
out = net(input)
print(out)

# Gradients add up, so they are cleared first; an output of ten numbers needs a gradient of ten numbers.
net.zero_grad()
out.backward(torch.randn(1, 10))

# Layers work on batches. A single image becomes a batch of one:
print(net(torch.randn(1, 32, 32).unsqueeze(0)).size())

# 3. The loss: how far the output is from a target, here a made-up one.

output = net(input)
target = torch.randn(10)
target = target.view(1, -1)  # the shape of the output
criterion = nn.MSELoss()

loss = criterion(output, target)
print(loss)

# The loss remembers how it came about; three steps back along the way:
print(loss.grad_fn)  # the squared error
print(loss.grad_fn.next_functions[0][0])  # the last affine layer
print(loss.grad_fn.next_functions[0][0].next_functions[0][0])  # its bias, where gradients end

# 4. Backpropagation: .grad is empty before, and filled for every parameter after.

net.zero_grad()

print("conv1.bias.grad before backward")
print(net.conv1.bias.grad)

loss.backward()

print("conv1.bias.grad after backward")
print(net.conv1.bias.grad)

# 5. Update the weights: stochastic gradient descent in two lines,

learning_rate = 0.01
for f in net.parameters():
    f.data.sub_(f.grad.data * learning_rate)

# or with an optimizer, which knows Nesterov's momentum, Adam, RMSProp and others as well.

optimizer = optim.SGD(net.parameters(), lr=0.01)

# A training loop repeats these lines:
optimizer.zero_grad()
output = net(input)
loss = criterion(output, target)
loss.backward()
optimizer.step()
