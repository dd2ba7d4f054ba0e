/* serve-words - in the place of a program that shows a disk image: says how it was called. */
#include <stdio.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		fprintf(stderr, "%s ", argv[i]);
	return 1;
}
