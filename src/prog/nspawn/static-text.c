/* libc asks for translations of its few messages (of errno and signals). Without setlocale(3) there
 * are none: what looks for them, 20 KiB, is left out of the static program. */

char *dcgettext(const char *domain, const char *text, int category);
char *__dcgettext(const char *domain, const char *text, int category); /* glibc's own name */

char *dcgettext(const char *domain, const char *text, int category)
{
	(void)domain;
	(void)category;
	return (char *)text;
}

char *__dcgettext(const char *domain, const char *text, int category)
{
	return dcgettext(domain, text, category);
}
