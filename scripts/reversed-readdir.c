/* Loaded before a program, this makes every folder list its names backwards: whoever lets the order of a folder's names reach
 * an output is found out. For scripts/reproduce.sh. It answers readdir(3); what the C library reads for itself (fts, scandir)
 * it does not see. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct listing {
	DIR *folder;
	struct dirent64 *entries; /* as the folder has them */
	size_t count;             /* how many are left to hand out */
	struct listing *next;
};

static struct listing *listings;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void forget(DIR *folder)
{
	pthread_mutex_lock(&lock);
	for (struct listing **place = &listings; *place; place = &(*place)->next) {
		struct listing *found = *place;
		if (found->folder != folder)
			continue;
		*place = found->next;
		free(found->entries);
		free(found);
		break;
	}
	pthread_mutex_unlock(&lock);
}

static struct listing *all(DIR *folder)
{
	static struct dirent64 *(*read)(DIR *);
	if (!read)
		read = (struct dirent64 *(*)(DIR *))dlsym(RTLD_NEXT, "readdir64");
	for (struct listing *known = listings; known; known = known->next)
		if (known->folder == folder)
			return known;
	struct listing *made = calloc(1, sizeof *made);
	if (!made || !read)
		abort();
	made->folder = folder;
	size_t room = 0;
	struct dirent64 *entry;
	errno = 0;
	while ((entry = read(folder))) {
		if (made->count == room) {
			room = room ? 2 * room : 64;
			made->entries = reallocarray(made->entries, room, sizeof *entry);
			if (!made->entries)
				abort();
		}
		memcpy(&made->entries[made->count++], entry, entry->d_reclen);
	}
	made->next = listings;
	listings = made;
	return made;
}

struct dirent64 *readdir64(DIR *folder)
{
	pthread_mutex_lock(&lock);
	struct listing *listing = all(folder);
	struct dirent64 *entry = listing->count ? &listing->entries[--listing->count] : NULL;
	pthread_mutex_unlock(&lock);
	return entry;
}

/* The same where off_t has 64 bits, as on all machines that this runs on. */
struct dirent *readdir(DIR *folder) { return (struct dirent *)readdir64(folder); }

void rewinddir(DIR *folder)
{
	void (*rewind)(DIR *) = (void (*)(DIR *))dlsym(RTLD_NEXT, "rewinddir");
	forget(folder);
	rewind(folder);
}

int closedir(DIR *folder)
{
	int (*close)(DIR *) = (int (*)(DIR *))dlsym(RTLD_NEXT, "closedir");
	forget(folder);
	return close(folder);
}
