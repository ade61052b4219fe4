"""What the pages promise: README commands and their output, the example program against an
installation, manual pages against --help, and that every citation leads somewhere."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import support

README = os.path.join(support.ROOT, 'README.md')
CONVERTERS = ('etl2csv', 'etl2chrome', 'etl2perfetto', 'etlinfo')
PROGRAMS = CONVERTERS + ('etlgen',)
ETLGEN_COMMANDS = ('case', 'demo', 'bench', 'random', 'graft')


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def build_folder():
    return os.path.dirname(os.path.dirname(support.program('etl2csv')[0]))


def make_demo(folder):
    support.run('etlgen', 'demo', '-o', 'demo.etl', cwd=folder)


class ReadmeCommands(unittest.TestCase):
    """Runs each '    $ command' of the README; the lines under it are what it prints."""

    def sessions(self):
        """(command, expected lines) from the indented blocks; '|' and '\\' continue a command."""
        found = []
        for block in re.findall(r'(?:^    .*\n)+', read(README), re.M):
            going_on = False
            for line in block.splitlines():
                line = line[4:]
                if line.startswith('$ '):
                    found.append([line[2:], []])
                elif found and going_on:
                    found[-1][0] += '\n' + line
                elif found and block.startswith('    $ '):
                    found[-1][1].append(line)
                going_on = line.endswith(('|', '\\')) and '$' in block
        return found

    def test_output_is_as_shown(self):
        wanted = [s for s in self.sessions() if 'pkg-config' not in s[0] and './live' not in s[0]]
        self.assertGreaterEqual(len(wanted), 6)
        if not shutil.which('sqlite3'):
            self.skipTest('sqlite3 is not installed')
        paths = [os.path.dirname(support.program(p)[0]) for p in PROGRAMS]
        env = dict(os.environ, PATH=os.pathsep.join(paths + [os.environ['PATH']]))
        with tempfile.TemporaryDirectory() as folder:
            make_demo(folder)
            for command, expected in wanted:
                done = subprocess.run(command, shell=True, cwd=folder, env=env, timeout=300,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                self.assertEqual(done.returncode, 0, command + '\n' + done.stdout)
                if expected:
                    self.assertEqual(done.stdout.splitlines(), expected, command)


class Installed(unittest.TestCase):
    """Installs into a scratch folder and looks at what is there."""

    def install(self, folder):
        if not shutil.which('meson'):
            self.skipTest('needs meson')
        subprocess.run(['meson', 'install', '-C', build_folder(), '--no-rebuild', '--quiet',
                        '--destdir', folder], check=True, capture_output=True)

    def flags(self):
        options = subprocess.run(['meson', 'introspect', '--buildoptions', build_folder()],
                                 capture_output=True, check=True, text=True).stdout
        sanitize = [o['value'] for o in json.loads(options) if o['name'] == 'b_sanitize'][0]
        return [] if sanitize == 'none' else ['-fsanitize=' + sanitize]

    def test_every_program_has_a_page_and_completions(self):
        with tempfile.TemporaryDirectory() as folder:
            self.install(folder)
            files = {os.path.join(os.path.basename(d), f) for d, _, names in os.walk(folder)
                     for f in names}
            programs = [os.path.basename(f) for f in files if f.startswith('bin/')]
            self.assertIn('etl2csv', programs)
            for name in programs:
                for wanted in ('man1/%s.1', 'completions/%s.bash', 'site-functions/_%s',
                               'vendor_completions.d/%s.fish'):
                    self.assertIn(wanted % name, files)

    def test_readme_program_builds_and_runs(self):
        if not shutil.which('pkg-config'):
            self.skipTest('needs pkg-config')
        source = re.search(r'```c\n(.*?)```', read(README), re.S).group(1)
        shown = re.search(r'\$ \./live demo\.etl\n((?:    .*\n)+)', read(README)).group(1)
        with tempfile.TemporaryDirectory() as folder:
            self.install(folder)
            found = [d for d, _, files in os.walk(folder) if 'etlheap.pc' in files]
            self.assertEqual(len(found), 1)
            env = dict(os.environ, PKG_CONFIG_PATH=found[0], PKG_CONFIG_SYSROOT_DIR=folder)
            flags = subprocess.run(['pkg-config', '--cflags', '--libs', 'etlheap'], env=env,
                                   capture_output=True, check=True, text=True).stdout.split()
            with open(os.path.join(folder, 'live.c'), 'w', encoding='utf-8') as f:
                f.write(source)
            make_demo(folder)
            # The library is linked by others than the compiler that built it, too.
            others = [] if self.flags() else [c for c in ('clang', 'gcc') if shutil.which(c)]
            for compiler in ['cc'] + others:
                subprocess.run([compiler, '-std=c11', '-Wall', '-Wextra', '-Werror', 'live.c']
                               + flags + self.flags() + ['-o', 'live'], cwd=folder, check=True)
                output = subprocess.run([os.path.join(folder, 'live'), 'demo.etl'], cwd=folder,
                                        check=True, capture_output=True, text=True).stdout
                self.assertEqual(output.splitlines(), [l.strip() for l in shown.splitlines()])


def help_options(text):
    """The left column of the options in a --help text: '-o, --output FILE'."""
    return sorted(re.findall(r'^ {2,6}(-[^ ]*(?: --[^ ]*)?(?: [A-Z]+(?:\.[a-z]+)?)?)(?:  |$)', text,
                             re.M))


def page_options(source):
    """The same from the .It lines of a manual page."""
    found = []
    for line in re.findall(r'^\.It (Fl .*)$', source, re.M):
        line = line.replace('Ns Oo = Ns Ar LEVEL Oc', '[=LEVEL]').replace(' [', '[')
        line = line.replace('Fl -', '--').replace('Fl ', '-').replace(' ,', ',')
        found.append(line.replace('Ar ', ''))
    return sorted(found)


class ManualPages(unittest.TestCase):
    def page(self, name):
        return os.path.join(support.ROOT, 'man', name + '.1')

    def test_options_are_those_of_help(self):
        for name in CONVERTERS:
            options = help_options(support.run(name, '--help').stdout.decode())
            self.assertGreater(len(options), 10)
            self.assertEqual(page_options(read(self.page(name))), options, name)

    def test_etlgen_options_are_those_of_help(self):
        sections = re.split(r'^\.S[sh] (.*)$', read(self.page('etlgen')), flags=re.M)
        sections = dict(zip(sections[1::2], sections[2::2]))
        for command in ETLGEN_COMMANDS:
            options = help_options(support.run('etlgen', command, '--help').stdout.decode())
            self.assertGreater(len(options), 1)
            self.assertEqual(page_options(sections[command]), options, command)

    def test_lint(self):
        if not shutil.which('mandoc'):
            self.skipTest('mandoc is not installed')
        for name in PROGRAMS:
            done = subprocess.run(['mandoc', '-T', 'lint', '-W', 'warning', self.page(name)],
                                  capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (0, ''), name)


class Citations(unittest.TestCase):
    """Comments cite sections of pages: 'decode/FORMAT.md C.2', 'semantics 2', 'timelines.md 6'."""

    PAGES = {
        'decode/FORMAT.md': 'lib/decode/FORMAT.md',
        'FORMAT.md': 'lib/container/FORMAT.md',
        'semantics': 'docs/semantics.md',
        'timelines.md': 'docs/timelines.md',
    }
    CITATION = re.compile(r'(decode/FORMAT\.md|FORMAT\.md|semantics|timelines\.md) '
                          r'([A-E0-9][.0-9]*)(?: (?:and|to) ([A-E]?[.0-9]+))?', re.I)

    def sections(self, page):
        text = read(os.path.join(support.ROOT, page))
        return set(re.findall(r'^#+ ([A-E0-9][.0-9]*?)\.? ', text, re.M))

    def sources(self):
        for top in ('lib', 'converters', 'tools', 'proto'):
            for folder, _, names in os.walk(os.path.join(support.ROOT, top)):
                for name in names:
                    if name.endswith(('.c', '.h', '.proto')):
                        yield os.path.join(folder, name)

    def test_each_leads_to_a_section(self):
        sections = {name: self.sections(page) for name, page in self.PAGES.items()}
        cited = 0
        for path in self.sources():
            for page, first, second in self.CITATION.findall(re.sub(r'\n \* ', ' ', read(path))):
                for section in filter(None, (first, second)):
                    cited += 1
                    self.assertIn(section.rstrip('.'), sections[page.replace('S', 's', 1)
                                                                if page == 'Semantics' else page],
                                  '%s cites %s %s' % (path, page, section))
        self.assertGreater(cited, 20)

    def test_functions_named_by_the_architecture_exist(self):
        text = ''.join(read(path) for path in self.sources())
        named = set(re.findall(r'`([a-z_0-9]+)\(\)`',
                               read(os.path.join(support.ROOT, 'ARCHITECTURE.md'))))
        self.assertGreater(len(named), 20)
        for name in sorted(named):
            self.assertTrue(re.search(r'\b%s\(' % name, text), name)

    def test_links_lead_to_files(self):
        for page in ('README.md', 'ARCHITECTURE.md', 'NEWS.md', 'docs/semantics.md',
                     'docs/timelines.md', 'lib/container/FORMAT.md', 'lib/decode/FORMAT.md'):
            folder = os.path.dirname(os.path.join(support.ROOT, page))
            for target in re.findall(r'\]\(([^)#:]+)\)', read(os.path.join(support.ROOT, page))):
                self.assertTrue(os.path.exists(os.path.join(folder, target)),
                                '%s links to %s' % (page, target))


if __name__ == '__main__':
    unittest.main()
