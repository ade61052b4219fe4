#include "progress.h"

#include "platform.h"

#include <inttypes.h>
#include <stdio.h>

#define INTERVAL_NS INT64_C(200000000)
#define LINE_BYTES  120

void progress_init(struct progress *p, bool wanted)
{
    int64_t now = platform_clock_ns();
    *p = (struct progress){
        .wanted = wanted && platform_is_terminal(PLATFORM_STDERR),
        .shown_ns = now,
        .pace_ns = now,
    };
}

static int put_time_left(char *line, int room, double seconds)
{
    uint64_t left = (uint64_t)(seconds + 0.5);
    if (left < 3600)
        return snprintf(line, (size_t)room, ", %" PRIu64 ":%02" PRIu64 " left", left / 60,
                        left % 60);
    return snprintf(line, (size_t)room, ", %" PRIu64 " h %02" PRIu64 " min left", left / 3600,
                    left / 60 % 60);
}

static void draw(struct progress *p, uint64_t done, uint64_t total, double seconds)
{
    char line[LINE_BYTES];
    const double mega = 1e6;
    int n = snprintf(line, sizeof line, "%.0f MB", (double)done / mega);
    if (total)
        n = snprintf(line, sizeof line, "%3.0f %%, %.0f of %.0f MB",
                     100.0 * (double)done / (double)total, (double)done / mega,
                     (double)total / mega);
    if (p->rows > p->pace_rows)
        n += snprintf(line + n, sizeof line - (size_t)n, ", %.2f M events/s",
                      (double)(p->rows - p->pace_rows) / mega / seconds);
    if (done > p->pace_done && done < total)
        put_time_left(line + n, (int)sizeof line - n,
                      seconds / (double)(done - p->pace_done) * (double)(total - done));
    fprintf(stderr, "\r\033[K%s", line);
    fflush(stderr);
    p->shown = true;
}

void progress_show(struct progress *p, uint64_t done, uint64_t total)
{
    if (!p->wanted)
        return;
    int64_t now = platform_clock_ns();
    if (now - p->shown_ns < INTERVAL_NS)
        return;
    p->shown_ns = now;
    draw(p, done, total, (double)(now - p->pace_ns) / 1e9);
    if (p->rows && !p->pace_rows) {
        p->pace_ns = now;
        p->pace_done = done;
        p->pace_rows = p->rows;
    }
}

void progress_erase(struct progress *p)
{
    if (!p->shown)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    p->shown = false;
}
