"""Names of the classifiers, apart from their code so that ``--help`` loads none of it."""

KINDS = ("LinearSvm", "GridSearchSvm", "GMM", "RadialSvm", "DecisionTree", "GaussianNB")
