// SPDX-License-Identifier: MIT
#include "base/cachefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

struct psc_error *psc_cachefile_path(const char *name, char **ret)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char *path;
	int n;

	// The specification: a relative path counts as unset.
	if (xdg && *xdg == '/')
		n = asprintf(&path, "%s/poolscope/%s", xdg, name);
	else if (home && *home == '/')
		n = asprintf(&path, "%s/.cache/poolscope/%s", home, name);
	else
		return psc_error_new(PSC_ERR_OS, "no cache folder: neither "
				     "XDG_CACHE_HOME nor HOME is set");
	if (n < 0)
		return &psc_nomem;
	*ret = path;
	return NULL;
}

// mkdir -p of the folder that holds the path.
static struct psc_error *make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		int rc = mkdir(path, 0700), why = errno;
		struct psc_error *err = rc && why != EEXIST
			? psc_error_os(why, "%s", path) : NULL;
		*slash = '/';
		if (err)
			return err;
	}
	return NULL;
}

static bool write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

struct psc_error *psc_cachefile_write(const char *name, const void *data,
				      size_t n)
{
	PSC_FREE char *path = NULL, *temp = NULL;
	struct psc_error *err = psc_cachefile_path(name, &path);

	if (err || (err = make_folders(path)))
		return err;
	if (asprintf(&temp, "%s.XXXXXX", path) < 0) {
		temp = NULL;
		return &psc_nomem;
	}
	int fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return psc_error_os(errno, "%s", temp);
	bool ok = write_all(fd, data, n);
	int why = errno;
	if (close(fd) && ok) {
		ok = false;
		why = errno;
	}
	if (ok && rename(temp, path)) {
		ok = false;
		why = errno;
	}
	if (ok)
		return NULL;
	unlink(temp);
	return psc_error_os(why, "%s", path);
}
