"""Placements that cost what place-eval says: placement.md 6 said again, for small systems drawn from seeds.

Prints a line for each number that differs by more than 1e-9 of itself, and at the end how many there were."""
import json
import random
import subprocess
import sys

RULES = ['balanced-replicas', 'least-loaded', 'round-robin', 'nearest', 'first']
POINTS = [[26.868, 96.183, 33.005, 36.073, 39.141, 42.209, 45.277, 48.345],
          [55.258, 66.713, 78.169, 89.624, 101.079, 112.535, 123.990, 135.445],
          [88.238, 96.183, 104.129, 112.074, 120.020, 127.965, 135.911, 143.856]]


def hop(a, b, rows):
    return min(abs(a - b), rows - abs(a - b))


def coefficients(rows):
    """Least squares of the table (6.6)."""
    hops = [0, (rows - 1) / 2, rows / 2 if rows > 1 else 0]
    t = [(hops[i], j + 1, us) for i, line in enumerate(POINTS) for j, us in enumerate(line)]
    h, us = sum(x[0] for x in t) / 24, sum(x[2] for x in t) / 24
    b = sum((x[1] - 4.5) * x[2] for x in t) / sum((x[1] - 4.5) ** 2 for x in t)
    g = sum((x[0] - h) * x[2] for x in t) / sum((x[0] - h) ** 2 for x in t) if rows > 1 else 0
    return [us - 4.5 * b - h * g, b, g / 2, g / 2]


def route(s, tokens, origins):
    """The copy of each pick of each token (6.3), as (expert, place in its list)."""
    dev = s['dev']
    room = max(1, int(s['capacity_factor'] * sum(map(len, tokens)) / sum(map(len, dev))))
    used, turn, out = [[0] * len(d) for d in dev], [0] * len(dev), []
    for token, origin in zip(tokens, origins):
        out.append([])
        for e in token:
            copies = range(len(dev[e]))
            free = [j for j in copies if used[e][j] < room]
            rule = s['routing_strategy'] if s['cost'] == 'linear' else 'least-loaded'
            if rule == 'least-loaded':
                j = min(copies, key=lambda j: (used[e][j], dev[e][j]))
            elif rule == 'nearest':
                j = min(free or copies, key=lambda j: hop(dev[e][j] // s['cols'], origin, s['rows']))
            elif rule == 'first' or rule == 'balanced-replicas' and free:
                j = free[0] if rule != 'first' else 0
            else:
                j = turn[e] % len(dev[e])
                turn[e] += 1
            used[e][j] += 1
            out[-1].append((e, j))
    return out


def loads(s, picks):
    n = [0] * (s['rows'] * s['cols'])
    for e, j in sum(picks, []):
        n[s['dev'][e][j]] += 1
    return n


def simple(s, picks, origins):
    load, cross = loads(s, picks), [0] * s['rows']
    for token, origin in zip(picks, origins):
        for e, j in token:
            row = s['dev'][e][j] // s['cols']
            for r in {row, origin} if row != origin else ():
                cross[r] += 1
    mean = sum(load) / len(load)
    queue = sum(max(0, x - mean) for x in load) / len(load)
    return s['beta'] * max(cross), s['alpha'] * max(load), s['gamma'] * queue


def linear(s, picks, origins):
    """dispatch, compute and combine (6.5)"""
    rows, cols, dev, worst = s['rows'], s['cols'], s['dev'], [0, 0]
    a = s.get('dispatch') or coefficients(rows)
    b = s.get('combine') or a
    for token, origin in zip(picks, origins):
        if token:
            hops = [hop(dev[e][j] // cols, origin, rows) for e, j in token]
            column = [dev[e][j] % cols for e, j in set(token)]
            of = max(map(column.count, column)), len({dev[e][j] for e, j in token})
            worst = [max(w, c[0] + c[1] * n + c[2] * sum(hops) / len(hops) + c[3] * max(hops))
                     for w, c, n in zip(worst, (a, b), of)]
    busy, flat = [0] * (rows * cols), sum(picks, [])
    for e, j in set(flat):
        busy[dev[e][j]] += s['block_us'] * -(-flat.count((e, j)) // s['block_tokens'])
    return worst[0], max(busy), worst[1]


def batch_costs(s, batch):
    tokens = [t + [e for e in range(s['experts'], len(s['dev'])) if e not in t] for t in batch['tokens']]
    if batch['origins']:
        origins = [batch['origins']]
    elif s['origin_mode'] == 'average-rows':
        origins = [[r] * len(tokens) for r in range(s['rows'])]
    else:
        origins = [[i % s['rows'] for i in range(len(tokens))]]
    model = linear if s['cost'] == 'linear' else simple
    each = [model(s, route(s, tokens, o), o) if any(tokens) else (0, 0, 0) for o in origins]
    mean = [sum(x) / len(each) for x in zip(*each)]
    return [sum(mean)] + mean


def evaluate(s, batches):
    """The numbers of the table cost, and those of each batch."""
    costs = [batch_costs(s, b) for b in batches]
    total, n = sorted(c[0] for c in costs), len(costs)
    mean = [sum(x) / n for x in zip(*costs)]
    rank = [next(k for k in range(1, n + 1) if 100 * k >= q * n) for q in (95, 99)]
    return [mean[0]] + [total[k - 1] for k in rank] + mean[1:], costs


def draw(seed):
    r = random.Random(seed)

    def below(n):
        return int(r.random() * n)

    rows, cols, experts, shared = 1 + below(5), 1 + below(4), 2 + below(7), below(3)
    free = list(range(rows * cols))
    dev = []
    for _ in range(experts + shared):
        free.sort(key=lambda d: r.random())
        dev.append(free[:1 + below(min(4, len(free)))])
    s = {'rows': rows, 'cols': cols, 'experts': experts, 'num_shared_experts': shared, 'dev': dev,
         'slots': rows * cols * (experts + shared), 'routing_strategy': RULES[seed % 5],
         'capacity_factor': [0.25, 0.5, 1.0, 2.0, 1.3][below(5)], 'block_us': 118, 'block_tokens': 32,
         'origin_mode': ['average-rows', 'round-robin'][below(2)], 'cost': ['linear', 'simple'][seed % 6 == 5],
         'alpha': 3, 'beta': 2.5, 'gamma': 0.75}
    if below(2):
        s.update(block_us=1 + below(90), block_tokens=1 + below(6))
    for key in ['dispatch', 'combine']:
        if not below(3):
            s[key] = [1 + below(50), 1 + below(20), r.random() * 9, r.random() * 9]
    batches = []
    for _ in range(2 + below(25)):
        n = below(3) and 1 + below(30)
        tokens = [sorted(range(experts), key=lambda e: r.random() * (e + 1))[:below(1 + min(4, experts))]
                  for _ in range(n)]
        if experts > 4 and not below(4):
            tokens = [t + t[:1] for t in tokens]  # an expert twice
        batches.append({'tokens': tokens, 'origins': [below(rows) for _ in tokens] if below(2) else []})
    return s, batches


def told(s, batches):
    """The same from the tools."""
    def write(name, text):
        with open(name, 'w') as f:
            f.write(text)

    def call(*args):
        return subprocess.run(args, check=True, capture_output=True, text=True).stdout

    write('c.jsonc', json.dumps({k: s[k] for k in s if k != 'dev'}))
    write('p.json', json.dumps({str(e): d for e, d in enumerate(s['dev'])}))
    write('b.jsonl', ''.join(json.dumps(dict({'layer': 0, 'batch_id': i, 'topk_experts': b['tokens']},
                                             **{'origin_rows': b['origins']} if b['origins'] else {})) + '\n'
                             for i, b in enumerate(batches)))
    call('jsonl2trace', '--dialect', 'moe-balance', '--experts', str(s['experts']), '-o', 'b', 'b.jsonl')
    call('place-conv', '-q', '-c', 'c.jsonc', '-l', '0', '--from', 'placement.json', '-o', 'p', 'p.json')
    lines = [x.split('\t') for x in call('place-eval', '-c', 'c.jsonc', '-p', 'p', '--batches', '-t', 'b').splitlines()]
    table = {}
    for x in lines:
        if x[0].startswith('#'):
            names = x
        else:
            table.setdefault(x[0], []).append(dict(zip(names[1:], x[1:])))

    def numbers(row, keys):
        return [float(row[k]) for k in keys.split()]

    return (numbers(table['cost'][0], 'mean p95 p99 dispatch compute combine'),
            [numbers(x, 'latency dispatch compute combine') for x in table['cost-batch']])


n = 0
for seed in range(int(sys.argv[1])):
    s, batches = draw(seed)
    want, got = evaluate(s, batches), told(s, batches)
    n += len(want[0]) == len(got[0]) and len(want[1]) == len(got[1])
    for w, g in zip([want[0]] + want[1], [got[0]] + got[1]):
        for x, y in zip(w, g):
            if abs(x - y) > 1e-9 * max(abs(x), 1):
                print(seed, s['routing_strategy'], s['cost'], s['origin_mode'], x, y)
print(n)
