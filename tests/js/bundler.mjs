// AppAuth-JS leaves the endings of its files to a bundler; this finds them as one would.
export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context)
  } catch (error) {
    if (!specifier.startsWith('.')) throw error
    return await next(`${specifier}.js`, context)
  }
}
