"""Which units a model has, what is known of them, and the model without some of them."""

import pytest
import torch
import torchvision.models
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from dropnet.errors import UserError
from dropnet.networks.masks import Masks
from dropnet.own_model import graph
from dropnet.own_model.units import find_units, size_of

pytestmark = pytest.mark.usefixtures("torch_pruning")


def vgg11_bn():
    model = torchvision.models.vgg11_bn()
    model.classifier = nn.Sequential(nn.Linear(25088, 12), nn.ReLU(), nn.Linear(12, 10))
    return model


def densenet():
    return torchvision.models.DenseNet(4, (2, 2), 8, num_classes=10)


class Unet(nn.Module):
    """Down, up and across: units are read by a transposed convolution, and by a concatenation."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.up, self.norm = nn.ConvTranspose2d(12, 8, 2, 2), nn.BatchNorm2d(12, affine=False)
        self.c, self.last = nn.Conv2d(16, 6, 3, padding=1), nn.Conv2d(6, 2, 1)

    def forward(self, images):
        across = torch.relu(self.a(images))
        down = F.dropout(self.norm(self.b(across)), 0.5, self.training)
        up = self.up(F.leaky_relu(down, inplace=True))
        return self.last(self.c(torch.cat([across, up], 1)).tanh())


MODELS = {
    "resnet18": (lambda: torchvision.models.resnet18(num_classes=10), 32, 12),
    "vgg11_bn": (vgg11_bn, 32, 9),
    "mobilenet_v2": (lambda: torchvision.models.mobilenet_v2(num_classes=10), 32, 18),
    "mobilenet_v3": (lambda: torchvision.models.mobilenet_v3_small(num_classes=10), 32, 22),
    "squeezenet1_1": (lambda: torchvision.models.squeezenet1_1(num_classes=10), 64, 25),
    "densenet": (densenet, 32, 10),
    "unet": (Unet, 16, 3),
    "vit": (lambda: torchvision.models.VisionTransformer(16, 8, 2, 2, 8, 12, num_classes=5), 16, 2),
}


def make(name):
    """A model with random weights, ready to be used, and two images."""
    torch.manual_seed(7)
    build, side, _ = MODELS[name]
    model = build().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    if name == "vit":  # begins with 0 there
        nn.init.normal_(model.heads.head.weight)
    return model, torch.randn(2, 3, side, side)


def some(units, share=0.4, seed=1):
    """Masks that lack a share of the units of each group, here and there."""
    generator = torch.Generator().manual_seed(seed)
    layers = [torch.rand(group.width, generator=generator) > share for group in units.groups]
    for layer in layers:
        layer[0] = True
    return Masks(tuple(layers))


def assert_close(one, other):
    """To 1e-5 of what is there."""
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * float(other.abs().max()))


@pytest.mark.parametrize("name", MODELS)
def test_a_cut_network_is_the_one_whose_layers_make_nothing_of_those_units(name):
    """Of zeros a normalisation without a shift makes zeros again, and so do these activations."""
    model, images = make(name)
    units = find_units(model, images)
    assert len(units.groups) == MODELS[name][2]
    masks = some(units)
    cut, masked = units.cut(model, masks), units.masked(model, masks, images)
    with torch.no_grad():
        whole = model(images)
        for group, mask in zip(units.groups, masks.layers, strict=True):
            for layer in map(model.get_submodule, group.layers):
                layer.weight[~mask] = 0
                if layer.bias is not None:
                    layer.bias[~mask] = 0
        zeroed = model(images)
        assert_close(cut(images), zeroed)
    assert_close(masked, zeroed)
    assert (whole - zeroed).abs().max() > 1e-3 * whole.abs().max()
    assert size_of(cut, images) < size_of(model, images)


@pytest.mark.parametrize("name", ["resnet18", "densenet"])
def test_a_cut_network_is_the_masked_one_whatever_the_normalisation_has_learnt(name):
    model, images = make(name)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
    units = find_units(model, images)
    masks = some(units)
    with torch.no_grad():
        assert_close(units.cut(model, masks)(images), units.masked(model, masks, images))


def test_layers_whose_outputs_are_added_are_one_group_and_the_last_is_none():
    model, images = make("resnet18")
    groups = {group.layers for group in find_units(model, images).groups}
    assert ("conv1", "layer1.0.conv2", "layer1.1.conv2") in groups
    assert ("layer2.0.conv2", "layer2.0.downsample.0", "layer2.1.conv2") in groups
    assert ("layer1.0.conv1",) in groups
    assert not any("fc" in layers for layers in groups)


def test_linear_bottlenecks_have_no_units():
    """Nothing is activated there: DropNet has no score for them."""
    model, images = make("mobilenet_v2")
    layers = {layer for group in find_units(model, images).groups for layer in group.layers}
    assert "features.2.conv.0.0" in layers
    assert "features.2.conv.1.0" in layers  # depthwise: of the same units
    assert "features.2.conv.2" not in layers


class Block(nn.Module):
    """An addition, a ReLU that is used again and again, as module and as function, and pooling."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.third, self.relu = nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True)
        self.last = nn.Linear(4, 2)

    def forward(self, images, keep=None):
        x = self.relu(self.first(images))
        y = self.relu(self.second(x) + x)
        z = F.relu(F.max_pool2d(self.third(y), 2))
        if keep is not None:
            keep += [x, y, z]
        return self.last(z.mean((2, 3)))


def test_statistics_are_the_means_of_the_paper_and_of_tied_layers_the_mean_of_theirs():
    torch.manual_seed(3)
    model, images = Block().eval(), torch.randn(6, 1, 8, 8)
    units = find_units(model, images[:2])
    assert [group.layers for group in units.groups] == [("first", "second"), ("third",)]
    found = units.statistics(model, units.full, [images[:4], images[4:]])
    seen = []
    model.relu = nn.ReLU()  # in place, the next addition would not find x as it was
    model(images, seen)
    x, y, z = (a.detach() for a in seen)
    both = [(x, y), (z,)]
    for name, of in (
        ("mean_activation", lambda a: a.abs().mean((0, 2, 3))),
        ("zero_share", lambda a: (a == 0).float().mean((0, 2, 3))),
        ("silent_share", lambda a: (a == 0).all(3).all(2).float().mean(0)),
    ):
        for values, sites in zip(found[name], both, strict=True):
            torch.testing.assert_close(values, sum(map(of, sites)) / len(sites))


def test_statistics_of_a_cut_network_are_in_the_order_of_what_remains():
    torch.manual_seed(3)
    model, images = Block().eval(), torch.randn(6, 1, 8, 8)
    units = find_units(model, images[:2])
    # third reads the others: leave those alone, and its own units are what they were
    masks = units.full.drop([torch.tensor([], dtype=torch.long), torch.tensor([0, 2])])
    whole = units.statistics(model, units.full, [images])
    left = units.statistics(units.cut(model, masks), masks, [images])
    for name, values in left.items():
        torch.testing.assert_close(values[0], whole[name][0])
        torch.testing.assert_close(values[1], whole[name][1][[1, 3]])


def test_parameters_and_multiply_adds_by_hand():
    model = Block().eval()
    parameters = (9 + 1) * 3 + (27 + 1) * 3 + (27 + 1) * 4 + (4 + 1) * 2
    multiply_adds = 64 * 9 * 3 + 64 * 27 * 3 + 36 * 27 * 4 + 4 * 2
    assert size_of(model, torch.randn(2, 1, 8, 8)) == (parameters, multiply_adds)


# --- what cannot be followed ---------------------------------------------------------------------


class Run(nn.Module):
    """Layers a to c, and a forward of one's own."""

    def __init__(self, run, a=None, b=None, c=None):
        super().__init__()
        self.run, self.a, self.b, self.c = run, a, b, c

    def forward(self, *inputs):
        return self.run(self, *inputs)


def chain(*between):
    """Two layers and what is between them."""
    return nn.Sequential(nn.Conv2d(3, 8, 1), *between, nn.Conv2d(8, 4, 1), nn.Flatten())


def shuffled(m, x):
    """Channels that change places on the way to the next layer."""
    y = F.relu(m.a(x))
    return m.b(y.reshape(2, 2, 4, 8, 8).transpose(1, 2).reshape(2, 8, 8, 8)).flatten(1)


def shared():
    model = chain(nn.ReLU(), nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.ReLU())
    model[4].weight = model[2].weight
    return model


def silent_at_first():
    """Its outputs are 0 until it is trained, whatever happens to its units."""
    model = chain(nn.GroupNorm(2, 8), nn.ReLU())
    nn.init.zeros_(model[-2].weight)
    return model


def only_in_training(m, x):
    y = F.relu(m.a(x))
    return m.b(y) + m.c(y) if m.training else m.b(y)


def in_two_parts(m, x):
    """Of every second unit, as many go from each of the parts."""
    return m.b(F.relu(m.a(x)).chunk(2, 1)[0]).flatten(1)


def counting(m, x):
    """Remembers how often it was called."""
    m.calls = getattr(m, "calls", 0) + 1
    return m.b(F.relu(m.a(x)))[..., : m.calls]


class Attention(nn.Module):
    """A module of torch that gives a tuple, added to what it has read."""

    def __init__(self):
        super().__init__()
        self.inner = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        return x + self.inner(x, x, x)[0]


def attentive():
    return nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Flatten(1, 2), Attention(), nn.Linear(8, 2))


def no_conv():
    return nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Flatten(), ["model: no layer that can lose units", "nn.Conv2d or nn.Linear", "relu"]),
        (chain(), ["model: no layer that can lose units"]),  # no nonlinearity
        (chain(nn.ReLU(), nn.Conv2d(8, 8, 1, groups=2), nn.ReLU()), ["layer '2'", "of 2 groups"]),
        (chain(nn.GroupNorm(2, 8), nn.ReLU()), ["layer '0' cannot be cut: its outputs are off by"]),
        (silent_at_first(), ["layer '0' cannot be cut: its outputs are off by"]),
        (
            chain(nn.ReLU(), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1), nn.ReLU()),
            ["layer '0' cannot be cut: its outputs are off by", "normalisation stands before"],
        ),
        (chain(nn.ReLU(), nn.LocalResponseNorm(3)), ["LocalResponseNorm", "mixes neighbouring"]),
        (
            Run(lambda m, x: m.b(F.local_response_norm(F.relu(m.a(x)), 3)), *no_conv()),
            ["LocalResponseNorm", "mixes neighbouring"],
        ),
        (
            Run(lambda m, x: m.b(F.dropout(F.relu(m.a(x)))).flatten(1), *no_conv()),
            ["gives other outputs when it is given the same samples again"],
        ),
        (shared(), ["'2.weight' and '4.weight' are the same weights"]),
        (
            Run(
                lambda m, x: m.b(F.relu(m.a(F.relu(m.a(x))))),
                *(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 4, 1)),
            ),
            ["layer 'a' is used 2 times in one forward; allowed: once"],
        ),
        (Run(lambda m, x, y: m.a(x), *no_conv()), ["TypeError", "forward that takes one batch"]),
        (Run(lambda m, x: (m.a(x),), *no_conv()), ["gives a tuple; allowed: one tensor"]),
        (nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)), ["of the shape [3, 8, 8]"]),
        (Run(shuffled, *no_conv()), ["model: "]),
        (Run(in_two_parts, nn.Conv2d(3, 8, 1), nn.Conv2d(4, 4, 1)), ["layer 'a' cannot be cut"]),
        (
            Run(counting, nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)),
            ["gives other outputs when it is given the same samples again"],
        ),
        (attentive(), ["layer '0' cannot be cut: its outputs are off by"]),
        (
            chain(weight_norm(nn.Conv2d(8, 8, 1)), nn.ReLU()),
            ["layer '1' computes its weights from others", "remove_parametrizations"],
        ),
        (
            Run(only_in_training, *no_conv(), nn.Conv2d(8, 4, 1)),
            ["layer 'a' cannot be cut: in training: RuntimeError"],
        ),
    ],
)
def test_what_cannot_be_followed_is_one_line(model, words):
    torch.manual_seed(0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(UserError) as caught:
        find_units(model.eval(), torch.randn(2, 3, 8, 8))
    line = str(caught.value)
    assert line.startswith("model: ")
    assert "\n" not in line
    assert all(word in line for word in words), line
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_a_cut_that_is_off_by_little_is_refused():
    """Products of queries and keys are divided by the root of their width, which becomes less."""

    def attend(m, x):
        q, k, v = (F.relu(layer(x)) for layer in (m.a, m.b, m.values))
        return m.c(F.scaled_dot_product_attention(q, k, v)).mean(1)

    for seed in range(6):
        torch.manual_seed(seed)
        model = Run(attend, nn.Linear(5, 16), nn.Linear(5, 16), nn.Linear(16, 3))
        model.values = nn.Linear(5, 16)
        with pytest.raises(UserError, match="layer 'a' cannot be cut: its outputs are off by"):
            find_units(model.eval(), torch.randn(2, 2, 5))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_wrong_cut_is_found_whatever_the_precision_and_a_right_one_let_through(dtype):
    torch.manual_seed(0)
    images = torch.randn(2, 3, 8, 8, dtype=dtype)
    right = chain(nn.BatchNorm2d(8), nn.ReLU()).eval().to(dtype)
    units = find_units(right, images)
    assert units.example.dtype == dtype
    assert units.cut(right, some(units))(images).dtype == dtype
    with pytest.raises(UserError, match="layer '0' cannot be cut: its outputs are off by"):
        find_units(chain(nn.GroupNorm(2, 8), nn.ReLU()).eval().to(dtype), images)


def test_an_operation_that_the_dependency_graph_stumbles_over_is_one_line():
    model = torchvision.models.shufflenet_v2_x0_5(num_classes=10).eval()
    with pytest.raises(UserError, match=r"^model: Torch-Pruning cannot follow .* \(ZeroDivision"):
        graph.groups_of(model, torch.randn(2, 3, 32, 32))
