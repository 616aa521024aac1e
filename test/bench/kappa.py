#!/usr/bin/env python3
"""How often the interval of reviewer_agreement() holds the true kappa: simulated, needs Python alone.

How to run: `python3 test/bench/kappa.py`. Two people label messages of 20 intents, whose frequencies fall like 1/rank.
Each gives another intent, any of the 19, with probability error, independently of the other. The true kappa follows
from these probabilities. Printed for each error and number of pairs: the true kappa, the share of intervals that hold
it, beside the share for Cohen's standard error. Target: at least 93 % for Wilson's.
"""
import math
import random

Z = 1.959963984540054
INTENTS = 20
REPLAYS = 4000


def wilson(share, n):
    root = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    middle = share + Z * Z / (2 * n)
    return (middle - root) / (1 + Z * Z / n), (middle + root) / (1 + Z * Z / n)


def measure(error, pairs):
    weights = [1 / (rank + 1) for rank in range(INTENTS)]
    weights = [w / sum(weights) for w in weights]
    given = [w * (1 - error) + (1 - w) * error / (INTENTS - 1) for w in weights]
    agree = (1 - error) ** 2 + error ** 2 / (INTENTS - 1)
    chance = sum(g * g for g in given)
    kappa = (agree - chance) / (1 - chance)

    def label(truth):
        if random.random() >= error:
            return truth
        return random.choice([i for i in range(INTENTS) if i != truth])

    wilson_holds = cohen_holds = 0
    for _ in range(REPLAYS):
        truths = random.choices(range(INTENTS), weights, k=pairs)
        labels = [(label(t), label(t)) for t in truths]
        po = sum(a == b for a, b in labels) / pairs
        pe = sum(sum(a == i for a, _ in labels) * sum(b == i for _, b in labels) for i in range(INTENTS)) / pairs ** 2
        low, high = ((p - pe) / (1 - pe) for p in wilson(po, pairs))
        wilson_holds += low <= kappa <= high
        error_of = Z * math.sqrt(po * (1 - po) / pairs) / (1 - pe)
        cohen_holds += abs((po - pe) / (1 - pe) - kappa) <= error_of
    return kappa, wilson_holds / REPLAYS, cohen_holds / REPLAYS


random.seed(21)
print('error  pairs  kappa  wilson  cohen')
for error in (0.02, 0.05, 0.15):
    for pairs in (20, 50, 200):
        kappa, holds, cohen = measure(error, pairs)
        print(f'{error:5}  {pairs:5}  {kappa:5.3f}  {100 * holds:5.1f}%  {100 * cohen:4.1f}%')
