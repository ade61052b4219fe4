/* The operating system as etlgen needs it. */
#include "gen.h"

#include <fcntl.h>
#include <unistd.h>

FILE *gen_stream(int fd)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    FILE *stream = own < 0 ? NULL : fdopen(own, "wb");
    if (!stream && own >= 0)
        close(own);
    return stream;
}
