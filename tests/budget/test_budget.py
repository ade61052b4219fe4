"""What an event may cost: instructions, counted by callgrind on 100 000 events, one thread.

budgets.json holds what each case took when it was last accepted; 10 % more fails. Instructions
depend on compiler and processor, not on what else the machine does, so the test runs only where
both are those of the file. tests/update-budgets rewrites it.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUDGETS = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'budgets.json')
UPDATE = os.environ.get('BUDGET_UPDATE') == '1'
BUILD = os.environ.get('BUDGET_BUILD', '')
TOOLCHAIN = os.environ.get('BUDGET_TOOLCHAIN', '')
EVENTS = 100000
SLACK = 1.10
INPUTS = {'plain': [], 'stacks': ['--stacks']}


def read_budgets():
    with open(BUDGETS, encoding='utf-8') as f:
        return json.load(f)


def write_budgets(budgets):
    with open(BUDGETS, 'w', encoding='utf-8') as f:
        json.dump(budgets, f, indent=1)
        f.write('\n')


def count_instructions(command):
    done = subprocess.run(['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null']
                          + command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    found = re.search(r'Collected : (\d+)', done.stderr)
    if done.returncode or not found:
        raise AssertionError('%s\n%s' % (' '.join(command), done.stderr))
    return int(found.group(1))


class Budget(unittest.TestCase):

    def setUp(self):
        self.budgets = read_budgets()
        if not shutil.which('valgrind'):
            self.skipTest('valgrind is not installed')
        if TOOLCHAIN != self.budgets['toolchain'] and not UPDATE:
            self.skipTest('the budgets are those of %s, this is %s'
                          % (self.budgets['toolchain'], TOOLCHAIN))

    def make_input(self, folder, kind):
        path = os.path.join(folder, kind + '.etl')
        subprocess.run([os.path.join(BUILD, 'tools', 'etlgen', 'etlgen'), 'bench', '--events',
                        str(EVENTS), '--live', '20000', '-o', path] + INPUTS[kind], check=True)
        return path

    def test_instructions_per_event(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = {kind: self.make_input(folder, kind) for kind in INPUTS}
            for case in self.budgets['cases']:
                executable, *options = case['command'].split()
                cost = count_instructions(
                    [os.path.join(BUILD, 'converters', executable), '-q', '-c', '--threads', '1',
                     *options, paths[case['input']]]) / EVENTS
                budget, case['instructions'] = case['instructions'], round(cost, 1)
                line = '%s, %s: %.1f instructions for an event, last accepted %.1f' % (
                    case['command'], case['input'], cost, budget)
                print(line, file=sys.stderr)
                with self.subTest(case['command']):
                    self.assertTrue(UPDATE or cost <= SLACK * budget, line)
        if UPDATE:
            self.budgets['toolchain'] = TOOLCHAIN
            write_budgets(self.budgets)


if __name__ == '__main__':
    unittest.main()
