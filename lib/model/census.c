#include "model/census.h"

const char *eh_header_name(unsigned header)
{
    static const char *const names[] = {
        [1] = "SYSTEM32", [2] = "SYSTEM64",    [3] = "COMPACT32",   [4] = "COMPACT64",
        [10] = "FULL32",  [11] = "INSTANCE32", [12] = "TIMED",      [13] = "ERROR",
        [14] = "WNODE",   [15] = "MESSAGE",    [16] = "PERFINFO32", [17] = "PERFINFO64",
        [18] = "EVENT32", [19] = "EVENT64",    [20] = "FULL64",     [21] = "INSTANCE64",
    };
    if (header == EH_HEADER_WPP)
        return "WPP";
    if (header == EH_HEADER_ULONG_TIME)
        return "ULONG_TIME";
    return header < sizeof names / sizeof *names ? names[header] : NULL;
}
