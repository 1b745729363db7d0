// The first file of Recipe.
