/* etlgen: writes synthetic traces for demos, tests and measurements. */
#include "gen.h"

#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"case", gen_case, "compile a text description of buffers and events, damaged ones too"},
    {"demo", gen_demo, "a story to look at in a viewer"},
    {"bench", gen_bench, "many plausible events, for measuring"},
    {"random", gen_random, "well-formed events in any combination, for comparing decoders"},
    {"graft", gen_graft, "a real trace with heap events added to its processes"},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static int print_help(void)
{
    puts("Usage: etlgen COMMAND [OPTIONS] -o FILE.etl\n"
         "\n"
         "Writes Windows event trace files (.etl) with heap events.\n"
         "\n"
         "Commands:");
    for (int i = 0; i < COMMANDS; i++)
        printf("  %-6s  %s\n", commands[i].name, commands[i].summary);
    puts("\n"
         "Without -o the trace goes to standard output, unless that is a terminal.\n"
         "'etlgen COMMAND --help' describes the options of a command.\n"
         "\n"
         "  --help     this text\n"
         "  --version  the version\n"
         "\n"
         "Examples:\n"
         "  etlgen case tests/cases/basic.txt -o basic.etl\n"
         "  etlgen case tests/cases/damaged.txt | etl2csv - -o damaged.csv\n"
         "  etlgen graft kernel.etl.zst -o grafted.etl");
    return gen_finish_text();
}

int main(int argc, char **argv)
{
    gen_start();
    if (argc < 2)
        return gen_usage(NULL, "which command?");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_help();
    if (strcmp(argv[1], "--version") == 0) {
        puts("etlgen " ETLHEAP_VERSION);
        return gen_finish_text();
    }
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    return gen_usage(NULL, "%s: no such command", argv[1]);
}
