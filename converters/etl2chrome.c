#include "chrome_writer.h"

int main(int argc, char **argv)
{
    return convert_main(&chrome_writer, argc, argv);
}
