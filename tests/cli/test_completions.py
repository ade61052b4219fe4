"""Completions know every option that --help lists, and the shells take them."""
import os
import re
import shlex
import shutil
import subprocess
import sys
import unittest

from support import CliTestCase, ROOT, program, run

COMMANDS = {'etl2csv': [], 'etl2chrome': [], 'etl2perfetto': [], 'etlinfo': [],
            'etlgen': ['case', 'demo', 'bench', 'random', 'graft']}


class Completions(CliTestCase):

    def make(self, shell, command):
        """Writes a completion into the scratch folder; returns its path."""
        line = program(command)
        if len(line) > 1:
            self.skipTest('needs programs of this machine')
        done = subprocess.run([sys.executable, os.path.join(ROOT, 'tools', 'make-completions'),
                               shell, command, line[0], *COMMANDS[command]],
                              capture_output=True, text=True, check=True)
        return self.write('%s.%s' % (command, shell), done.stdout)

    def complete(self, command, *words):
        """What bash offers for the last of the words."""
        script = self.make('bash', command)
        line = [command, *words]
        text = ('source %s; COMP_WORDS=(%s); COMP_CWORD=%d; compopt() { :; }; _%s; '
                'printf "%%s\\n" "${COMPREPLY[@]}"' % (shlex.quote(script), shlex.join(line),
                                                       len(words), command))
        done = subprocess.run(['bash', '-c', text], capture_output=True, text=True, check=True,
                              cwd=self.folder)
        self.assertEqual(done.stderr, '')
        return done.stdout.splitlines()

    def test_bash(self):
        self.write('heap.etl', '')
        self.assertEqual(self.complete('etl2csv', '--tab'), ['--table'])
        self.assertEqual(self.complete('etl2csv', '--table', 'ca'), ['callsites'])
        self.assertEqual(self.complete('etl2csv', '--zst'), ['--zstd='])
        self.assertEqual(self.complete('etl2csv', '-f', 'hea'), ['heap.etl'])
        self.assertEqual(self.complete('etl2csv', '-o', 'hea'), ['heap.etl'])
        self.assertEqual(self.complete('etlgen', 'ben'), ['bench'])
        self.assertEqual(self.complete('etlgen', 'bench', '--comp'), ['--compress'])
        self.assertEqual(self.complete('etlgen', 'case', '--comp'), [''])
        self.write('a b.etl', '')
        self.assertEqual(self.complete('etl2csv', 'a'), ['a b.etl'])
        self.assertEqual(self.complete('etl2csv', '-o', 'a'), ['a b.etl'])

    def test_every_option_is_there(self):
        for command, subs in COMMANDS.items():
            scripts = {}
            for shell in ('bash', 'zsh', 'fish'):
                with open(self.make(shell, command)) as f:
                    scripts[shell] = f.read()
            for sub in subs or [None]:
                text = run(command, *[sub] * bool(sub), '--help').stdout.decode()
                names = re.findall(r'^ +(?:-\w, )?--([\w-]+)', text, re.M)
                self.assertIn('help', names)
                for name in names:
                    self.assertRegex(scripts['bash'], r'[ \']--%s\b' % name)
                    self.assertRegex(scripts['zsh'], r'[\'{,]--%s\b' % name)
                    self.assertRegex(scripts['fish'], r' -l %s\b' % name)

    def test_other_shells_parse_them(self):
        shells = [s for s in ('zsh', 'fish') if shutil.which(s)]
        if not shells:
            self.skipTest('neither zsh nor fish is installed')
        for shell in shells:
            for command in COMMANDS:
                subprocess.run([shell, '-n', self.make(shell, command)], check=True)


if __name__ == '__main__':
    unittest.main()
