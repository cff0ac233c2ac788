/* exit: 0 */
/* dlopen, dlsym and dlclose of a library, and its functions called. */
#include "check.h"

#include <dlfcn.h>

int main(void) {
#ifdef __x86_64__
    void *library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
    CHECK(library);
    double (*cosine)(double) = (double (*)(double))dlsym(library, "cos");
    double angle = (double)(random_word() >> 11) / (1ull << 53);
    CHECK(cosine && !dlsym(library, "no_such_function") && dlerror());
    printf("cos(%a) = %a by %p\n", angle, cosine(angle), *(void **)&cosine);
    CHECK(dlclose(library) == 0 && !dlopen("libdoes-not-exist.so.1", RTLD_LAZY));
    printf("%s\n", dlerror());
    library = dlopen("libm.so.6", RTLD_LAZY | RTLD_GLOBAL);
    CHECK(library && dlsym(RTLD_DEFAULT, "sin"));
#else
    printf("statically linked: %p\n", (void *)main);
#endif
    return 0;
}
