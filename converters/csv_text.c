#include "csv_text.h"

#include "text.h"

static bool needs_quotes(const struct csv_dialect *d, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] == d->delimiter || text[i] == '"' || text[i] == '\n' || text[i] == '\r')
            return true;
    return false;
}

static bool looks_like_formula(const char *text, size_t length)
{
    return length && memchr("=+-@\t\r", text[0], 6);
}

char *csv_put_text(const struct csv_dialect *d, char *at, const char *text, size_t length)
{
    bool quotes = needs_quotes(d, text, length);
    if (quotes)
        *at++ = '"';
    if (d->excel_safe && looks_like_formula(text, length))
        *at++ = '\'';
    if (!quotes)
        return put_bytes(at, text, length);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"')
            *at++ = '"';
        *at++ = text[i];
    }
    *at++ = '"';
    return at;
}

/* Numbers, times and names of ours are written without looking for the delimiter in them. */
static bool may_delimit(char c)
{
    static const char ours[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-:.";
    return c > 0 && c < 0x7F && c != '"' && c != '\r' && c != '\n' && !strchr(ours, c);
}

int csv_parse_delimiter(char *ret_delimiter, const char *argument, struct eh_error *e)
{
    if (!strcmp(argument, "tab") || !strcmp(argument, "\\t"))
        argument = "\t";
    if (strlen(argument) != 1 || !may_delimit(argument[0]))
        return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                       "--delimiter takes one character like ; or | (no letter, digit, quote or "
                       "any of _-:.), or tab; not '%s'",
                       argument);
    *ret_delimiter = argument[0];
    return 0;
}
