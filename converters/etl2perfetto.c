#include "perfetto_writer.h"

int main(int argc, char **argv)
{
    return convert_main(&perfetto_writer, argc, argv);
}
