#include "info_writer.h"

int main(int argc, char **argv)
{
    return convert_main(&info_writer, argc, argv);
}
