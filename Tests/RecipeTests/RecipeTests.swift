// Tests of Recipe.
