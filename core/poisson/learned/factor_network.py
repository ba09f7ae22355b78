"""The graph network of NeuralIF: the entries of a matrix go in, those of a triangular factor come out.

A block passes messages along the lower triangle and back along the upper one, as L and Lᵀ act. Every edge has
a few numbers and every node seven; two-layer perceptrons update them in turn.

References
----------
Häusner, Öktem & Sjölund 2024, Neural incomplete factorization: learning preconditioners for the conjugate
gradient method, TMLR, Sec. 4.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.poisson.learned.matrix_graph import NODE_FEATURES, MatrixGraph

#: Numbers that an edge carries between the first and the last layer.
EDGE_FEATURES = 8


class Messages(nn.Module):
    """One pass over the edges and then over the nodes.

    The first layer of the edges' perceptron reads [node it ends in, node it starts in, edge]; the products
    with the nodes' parts are taken once a node, not once an edge.
    """

    def __init__(self, edge_in: int, edge_out: int, hidden: int) -> None:
        super().__init__()
        self.end = nn.Linear(NODE_FEATURES, hidden)
        self.start = nn.Linear(NODE_FEATURES, hidden, bias=False)
        self.edge = nn.Linear(edge_in, hidden, bias=False)
        self.out = nn.Linear(hidden, edge_out)
        self.node = nn.Sequential(
            nn.Linear(NODE_FEATURES + edge_out, hidden), nn.ReLU(), nn.Linear(hidden, NODE_FEATURES)
        )

    def forward(
        self, nodes: Tensor, edges: Tensor, end: Tensor, start: Tensor, share: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return nodes and edges; messages are summed at `end` and divided by `share`, if there is one."""
        hidden = self.end(nodes).index_select(0, end) + self.start(nodes).index_select(0, start)
        messages = self.out(torch.relu(hidden + self.edge(edges)))
        total = torch.zeros(len(nodes), messages.shape[1]).index_add(0, end, messages)
        if share is not None:
            total = total / share
        return self.node(torch.cat([nodes, total], 1)), messages


class FactorNetwork(nn.Module):
    """Entries of L for S = L Lᵀ approximately, on the pattern of S's lower triangle."""

    def __init__(self, hidden: int, blocks: int) -> None:
        super().__init__()
        self.down, self.back = nn.ModuleList(), nn.ModuleList()
        for block in range(blocks):
            first, last = block == 0, block == blocks - 1
            # from the second block on, an edge sees its entry of the matrix again
            self.down.append(Messages(1 if first else EDGE_FEATURES + 1, EDGE_FEATURES, hidden))
            self.back.append(Messages(EDGE_FEATURES, 1 if last else EDGE_FEATURES, hidden))

    def forward(self, graph: MatrixGraph) -> Tensor:
        """Return (E,) entries of L; those on the diagonal are positive."""
        entries = graph.entries[:, None]
        nodes, edges = graph.nodes, entries
        for block, (down, back) in enumerate(zip(self.down, self.back, strict=True)):
            if block:
                edges = torch.cat([edges, entries], 1)
            nodes, edges = down(nodes, edges, graph.row, graph.column, graph.in_row)
            nodes, edges = back(nodes, edges, graph.column, graph.row, None)
        values = edges[:, 0]
        return torch.where(graph.on_diagonal, torch.exp(0.5 * values), values)
