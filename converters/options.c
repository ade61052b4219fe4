#include "options.h"

#include "nearest.h"

#include <string.h>

#define HELP_COLUMN 27 /* behind the longest option and two blanks */
#define HELP_WIDTH  80

struct parser {
    const struct option_group *groups;
    size_t count;
    char **argv;
    int argc;
    int at; /* the argument being looked at */
    struct eh_error *e;
};

struct found {
    const struct option_group *group;
    const struct option_spec *spec;
};

static bool argument_is_optional(const struct option_spec *spec)
{
    return spec->argument && spec->argument[0] == '[';
}

/* Steps through all tables; `f` zeroed begins. False at the end. */
static bool next_option(const struct option_group *groups, size_t count, struct found *f)
{
    const struct option_group *end = groups + count;
    if (f->spec)
        f->spec++;
    else
        *f = (struct found){groups, groups->specs};
    while (!f->spec || !f->spec->name) {
        if (++f->group == end)
            return false;
        f->spec = f->group->specs;
    }
    return true;
}

static bool find_name(const struct parser *p, const char *name, size_t length, struct found *ret)
{
    struct found f = {0};
    while (next_option(p->groups, p->count, &f)) {
        if (strlen(f.spec->name) == length && !memcmp(f.spec->name, name, length)) {
            *ret = f;
            return true;
        }
    }
    return false;
}

static bool find_letter(const struct parser *p, char letter, struct found *ret)
{
    struct found f = {0};
    while (next_option(p->groups, p->count, &f)) {
        if (f.spec->letter == letter) {
            *ret = f;
            return true;
        }
    }
    return false;
}

/* The option that was probably meant, or NULL. */
static const char *nearest_name(const struct parser *p, const char *name, size_t length)
{
    struct nearest nearest;
    struct found f = {0};
    nearest_begin(&nearest, name, length);
    while (next_option(p->groups, p->count, &f))
        nearest_offer(&nearest, f.spec->name);
    return nearest.found;
}

static int unknown_name(const struct parser *p, const char *name, size_t length)
{
    const char *nearest = nearest_name(p, name, length);
    if (nearest)
        return eh_fail(p->e, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                       "there is no option --%.*s; did you mean --%s?", (int)length, name, nearest);
    return eh_fail(p->e, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                   "there is no option --%.*s; --help lists them", (int)length, name);
}

static int unknown_letter(const struct parser *p, char letter)
{
    return eh_fail(p->e, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                   "there is no option -%c; --help lists them", letter);
}

/* A long name behind one dash would be read as letters, with a surprising result. */
static int refuse_single_dash(const struct parser *p, const char *word)
{
    size_t length = strcspn(word, "=");
    struct found f;
    if (length < 2 || !find_name(p, word, length, &f))
        return 0;
    return eh_fail(p->e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "-%s: long options take two dashes: --%s",
                   word, word);
}

/* The next argument as the value of `spec`, or NULL with the error filled. */
static const char *take_argument(struct parser *p, const struct option_spec *spec)
{
    if (p->at + 1 < p->argc)
        return p->argv[++p->at];
    eh_fail(p->e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "--%s needs an argument: --%s %s", spec->name,
            spec->name, spec->argument);
    return NULL;
}

static int parse_long(struct parser *p, const char *name)
{
    size_t length = strcspn(name, "=");
    const char *argument = name[length] ? name + length + 1 : NULL;
    struct found f;
    if (!find_name(p, name, length, &f))
        return unknown_name(p, name, length);
    if (argument && !f.spec->argument)
        return eh_fail(p->e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "--%s takes no argument", f.spec->name);
    if (!argument && f.spec->argument && !argument_is_optional(f.spec) &&
        !(argument = take_argument(p, f.spec)))
        return -1;
    return f.group->set(f.group->state, f.spec->id, argument, p->e);
}

static int parse_letters(struct parser *p, const char *letters)
{
    if (refuse_single_dash(p, letters) < 0)
        return -1;
    for (; *letters; letters++) {
        struct found f;
        if (!find_letter(p, *letters, &f))
            return unknown_letter(p, *letters);
        bool takes_rest = f.spec->argument && !argument_is_optional(f.spec);
        const char *argument = NULL;
        if (takes_rest && letters[1])
            argument = letters + 1;
        else if (takes_rest && !(argument = take_argument(p, f.spec)))
            return -1;
        if (f.group->set(f.group->state, f.spec->id, argument, p->e) < 0)
            return -1;
        if (takes_rest)
            return 0;
    }
    return 0;
}

int options_parse(const struct option_group *groups, size_t count, int argc, char **argv,
                  struct eh_error *e)
{
    struct parser p = {groups, count, argv, argc, 1, e};
    int operands = 0;
    bool only_operands = false;
    for (; p.at < argc; p.at++) {
        char *argument = argv[p.at];
        if (only_operands || argument[0] != '-' || !argument[1])
            argv[1 + operands++] = argument;
        else if (!strcmp(argument, "--"))
            only_operands = true;
        else if (argument[1] == '-' ? parse_long(&p, argument + 2) < 0
                                    : parse_letters(&p, argument + 1) < 0)
            return -1;
    }
    return operands;
}

/* Words in lines of HELP_WIDTH, each from HELP_COLUMN on; the first begins there already. */
static void print_words(FILE *to, const char *text)
{
    const size_t room = HELP_WIDTH - HELP_COLUMN;
    while (strlen(text) > room) {
        size_t n = room;
        while (n > 1 && text[n] != ' ')
            n--;
        fprintf(to, "%.*s\n%*s", (int)n, text, HELP_COLUMN, "");
        text += n + (text[n] == ' ');
    }
    fprintf(to, "%s\n", text);
}

static void print_option(FILE *to, const struct option_spec *spec)
{
    char left[64];
    int n = spec->letter ? snprintf(left, sizeof left, "  -%c, --%s", spec->letter, spec->name)
                         : snprintf(left, sizeof left, "      --%s", spec->name);
    if (spec->argument)
        snprintf(left + n, sizeof left - (size_t)n, "%s%s", argument_is_optional(spec) ? "" : " ",
                 spec->argument);
    fprintf(to, "%-*s", HELP_COLUMN, left);
    print_words(to, spec->help);
}

void options_print(FILE *to, const struct option_group *groups, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!groups[i].specs || !groups[i].specs->name)
            continue;
        fprintf(to, "%s:\n", groups[i].heading);
        for (const struct option_spec *spec = groups[i].specs; spec->name; spec++)
            print_option(to, spec);
    }
}
