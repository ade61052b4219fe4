/* The operating system as etlgen needs it. */
#include "gen.h"

#include <sys/stat.h>
#include <unistd.h>

bool gen_is_terminal(FILE *stream)
{
    return isatty(fileno(stream)) == 1;
}

bool gen_is_regular(FILE *stream)
{
    struct stat status;
    return fstat(fileno(stream), &status) == 0 && S_ISREG(status.st_mode);
}
